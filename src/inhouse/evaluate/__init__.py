"""How good an answer, a search or a model is, in figures that one may trust."""
