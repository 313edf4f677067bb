"""Publishing as a transaction: push by digest, verify every platform, move tags last."""
