"""The gate, assembled: what is wanted (`options`), which checks that means (`choose`), what runs (`extra`).

`plan` puts it together into a `CheckPlan`, which `pgwatch.check.run` runs. Nothing here waits or speaks to
a server. A check that no rule makes has a row in `pgwatch.check.extra.EXTRA_SPECS`, the option that brings
it in `choose.given_options`, and what runs it in `extra.extra_checks`.
"""
