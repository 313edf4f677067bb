"""Many prompts from a list, some at a time: read, done, told of, and gone on with later."""
