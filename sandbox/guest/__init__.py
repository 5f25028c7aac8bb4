"""What runs inside a box: a worker that forks one confined process per run, as a candidate or as a tester.

These modules use the standard library alone and are sent to a box over its standard input, so that an image needs
nothing but a Python (3.9 or newer). `codebudget.sandbox.bundle` lists them in the order in which they are loaded.
"""
