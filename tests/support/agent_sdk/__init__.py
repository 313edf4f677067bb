"""The official Agent SDK in use: scenarios that run the same in each way of starting Claude.

A scenario is what a program does with the SDK, and what it must see. It runs with the SDK's own
transport on a `claude` (`cli_path`), and with Pinnace's `transport`.
"""
