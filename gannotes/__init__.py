"""Exact, small PyTorch implementations of generative adversarial models, and the book around them."""

__version__ = "0.1.0"
