"""Proxies, certificates, and services of the host."""
