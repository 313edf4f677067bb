"""The image toolkit: resolve and lock CLI versions, render, build and check images."""
