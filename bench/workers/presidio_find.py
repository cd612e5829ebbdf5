"""Finds personal data with Presidio, by its recognisers of patterns alone (engine ``no_op``).

The arguments name a JSON file of texts and one that the findings are written to, as lists of
[start, end, type] for each text. The seconds of a round are those of the processor for one text.
"""

import json
import logging
import sys
import time
from pathlib import Path

from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import NlpEngineProvider


def main() -> None:
    """Analyse all texts for each line read."""
    logging.disable(logging.WARNING)
    texts = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    models = [{"lang_code": "en", "model_name": "none"}]
    provider = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "no_op", "models": models})
    engine = AnalyzerEngine(nlp_engine=provider.create_engine(), supported_languages=["en"])
    for _ in sys.stdin:
        started = time.process_time()
        found = [engine.analyze(text, "en") for text in texts]
        seconds = time.process_time() - started
        spans = [[[each.start, each.end, each.entity_type] for each in some] for some in found]
        Path(sys.argv[2]).write_text(json.dumps(spans), "utf-8")
        print(seconds / len(texts), flush=True)


if __name__ == "__main__":
    main()
