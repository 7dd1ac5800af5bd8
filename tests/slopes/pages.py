"""Reads of the console's pages that have several parameters.

The rows are the shapes of what a browser sent in tests/console, 74 of them. Reads with one
parameter are counted anyway.
"""

PAGE_READS = (
    "/v1/arrivals totals=true",
    "/v1/face-ids group={group} order=arrived desc=true",
    "/v1/face-ids known=true order=arrived desc=true",
    "/v1/face-ids known=true order=enrolled desc=false",
    "/v1/face-ids known=true order=name desc=false",
    "/v1/face-ids known=true order=visits desc=true",
    "/v1/faces group={group} order=arrived desc=false",
    "/v1/observations group={group} kind=sighting",
    "/v1/statistics by=day measure=arrivals",
    "/v1/statistics by=day measure=arrivals split=camera",
    "/v1/statistics by=day measure=arrivals split=visit",
    "/v1/statistics by=day measure=persons",
    "/v1/statistics by=day measure=persons split=age",
    "/v1/statistics by=day measure=persons split=camera",
    "/v1/statistics by=day measure=persons split=gender",
    "/v1/statistics by=hour measure=arrivals",
    "/v1/statistics by=hour measure=persons",
    "/v1/statistics by=month measure=arrivals",
    "/v1/statistics by=month measure=arrivals split=visit",
    "/v1/statistics by=week entries=true",
    "/v1/statistics by=week measure=arrivals split=camera",
    "/v1/statistics by=week measure=arrivals split=visit",
    "/v1/statistics by=week measure=persons",
    "/v1/statistics by=week measure=persons split=age",
)
"""Paths and parameters. `from` and `to` are those of the whole book, and a page has A_PAGE rows."""
