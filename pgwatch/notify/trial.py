"""A notification that tells people the channel works: what `pgwatch notify test` sends."""

from datetime import datetime, timedelta

from pgwatch.notify.notification import Notification, NotifiedAlert, Reason
from pgwatch.samples.labels import Labels

_NAME = "PgwatchTest"


def trial(receiver: str, channel: str, now: datetime, *, external_url: str = "") -> Notification:
    """Return a test for one channel (`slack[0]`) of a receiver; it says that nothing is wrong."""
    labels = Labels({"alertname": _NAME, "severity": "info", "target": "example"})
    alert = NotifiedAlert(
        labels=labels,
        annotations={
            "summary": "This is how an alert of pgwatch looks",
            "description": f"Channel {channel} of receiver {receiver} works.",
            "fix": "-- Here stands the command or SQL that cures it.\nSELECT 'nothing to do';",
        },
        starts_at=now - timedelta(minutes=1),
        ends_at=None,
        value=42.0,
    )
    return Notification(
        receiver=receiver,
        channel=channel,
        # A key of its own for each test, so that tests neither thread with alerts nor supersede each other.
        group_key=f'{{}}:{{alertname="{_NAME}", time="{now.isoformat()}"}}',
        reason=Reason.TEST,
        time=now,
        group_labels=labels.only(["alertname"]),
        alerts=(alert,),
        external_url=external_url,
        id=f"test-{int(now.timestamp() * 1000)}",
    )
