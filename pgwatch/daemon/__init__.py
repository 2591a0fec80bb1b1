"""The process of `pgwatch run`: measuring, alerting and serving under one TaskGroup."""
