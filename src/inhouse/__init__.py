"""Build, serve and govern language models that your company owns."""

__version__ = "0.1.0"
