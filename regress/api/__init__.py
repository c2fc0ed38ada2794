"""What Python code calls: `regress.check`, `judge`, `compare`, `load_run`, each the command of a name beside it.

    regress.check(adapter)       regress check ADAPTER     evaluates what is missing; loads the model
    regress.judge(adapter)       regress gate ADAPTER      from stored runs, in a fraction of a second
    regress.compare(a, b)        regress diff A B          decides nothing
    regress.load_run(folder)     –                         a sealed run, verified

`regress.gate` and `regress.diff` are modules (the pure functions behind these), so that nothing here is called like
them. Nothing here prints, and nothing is written but runs and the ledger of attempts; refusals are exceptions
(`regress.errors`).
"""
