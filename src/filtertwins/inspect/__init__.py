"""The question, asked of anybody's network: model files in, a verdict a convolution out."""
