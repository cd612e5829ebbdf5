"""Everything that touches OpenVINO: graphs of model families and the engine that runs them.

OpenVINO reports each import to its maker and leaves an identifier in the home folder. Making its
reporting package unimportable lets it fall back on a stub of its own, so nothing leaves the house.
"""

import sys

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
