"""Launches for programs: async, on asyncio and trio. Nothing here is imported by a command."""
