"""The model: tokenizer, quantiser, interaction, and the sparse score that they add up to."""
