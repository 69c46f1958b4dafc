"""The tiny policy: tokenizer, model and recipe, trained from scratch on two CPU cores."""
