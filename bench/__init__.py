"""Figures, each a ratio against a peer or a limit that is measured in the same run.

`make bench` runs all of it; `python -m bench gate` one of them. The machines this runs on are shared
and noisy, so nothing here fails on a slow day: runs are interleaved round by round, medians compared.
"""
