"""Accounts: credentials, profiles, and Claude's config directory."""
