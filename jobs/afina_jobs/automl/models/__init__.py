"""The families of models: what each can be set to, how it is fitted, and how it is kept without pickle."""
