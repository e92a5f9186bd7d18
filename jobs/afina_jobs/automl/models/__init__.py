"""The families of models: what each can be set to, and how it is fitted."""
