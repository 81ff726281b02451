"""Small, exact PyTorch implementations of generative adversarial models."""

__version__ = "0.2.0"
