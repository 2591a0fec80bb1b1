"""Whether what migrations made can run: trigger functions, functions and views, without running them."""
