"""A Kommo on this machine: it enforces the real rules over real HTTP, and sends real signed hooks.

It knows neither the client nor the store, and works for programs that know nothing of this project.
"""
