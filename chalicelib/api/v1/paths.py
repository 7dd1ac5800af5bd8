"""Paths of v1 by the module with their operations. `python -m regulars.openapi --write` writes
this."""

PATHS = {
    "account": "/v1/audit /v1/notice /v1/retention /v1/settings /v1/signing-key /v1/usage",
    "book": "/v1/arrivals /v1/observations /v1/statistics /v1/usual",
    "cameras": """
        /v1/boxes /v1/cameras /v1/cameras/{id} /v1/cameras/{id}/claim /v1/cameras/{id}/heartbeat
        /v1/cameras/{id}/key /v1/cameras/{id}/still /v1/cameras/{id}/view /v1/fleet /v1/mute
    """,
    "captures": """
        /v1/captures /v1/captures/uploads /v1/captures/{id} /v1/captures/{id}/crops/{n}
        /v1/captures/{id}/picture /v1/captures/{id}/redrive /v1/captures/{id}/thumbnail /v1/reviews
        /v1/reviews/{id}/done
    """,
    "checks": "/v1/cameras/{id}/checks /v1/cameras/{id}/checks/{at} /v1/cameras/{id}/film",
    "counts": """
        /v1/cameras/{id}/counts /v1/cameras/{id}/voids /v1/places /v1/places/{id}
        /v1/places/{id}/inside /v1/voids
    """,
    "data_protection": """
        /v1/consents /v1/erasures /v1/erasures/{id} /v1/erasures/{id}/page /v1/exports
        /v1/faces/{id}/consent /v1/faces/{id}/everything /v1/faces/{id}/hold
        /v1/faces/{id}/restriction /v1/holds /v1/restrictions
    """,
    "document": "/v1/openapi.json",
    "done": "/v1/done /v1/done/{id}/undo",
    "faces": """
        /v1/face-changes /v1/face-ids /v1/faces /v1/faces/{id} /v1/faces/{id}/sightings
        /v1/faces/{id}/sightings/{sighting}/reject
    """,
    "groups": "/v1/groups /v1/groups/{id}",
    "hooks": """
        /v1/hooks /v1/hooks/{id} /v1/hooks/{id}/ack /v1/hooks/{id}/deliveries
        /v1/hooks/{id}/redeliver /v1/hooks/{id}/secret /v1/hooks/{id}/test /v1/push-key
    """,
    "keys": "/v1/dialects /v1/dialects/{id}/key /v1/keys /v1/keys/{id} /v1/keys/{id}/renew",
    "looking": "/v1/detect /v1/faces/{id}/similar /v1/identify /v1/verify",
    "members": """
        /v1/members /v1/members/{id} /v1/members/{id}/invitation /v1/members/{id}/made
        /v1/members/{id}/made/{access} /v1/members/{id}/passkeys/{passkey}
    """,
    "merges": """
        /v1/duplicates /v1/duplicates/{id}/done /v1/faces/{id}/merge /v1/merges /v1/merges/{id}/undo
    """,
    "pictures": """
        /v1/faces/{id}/pictures /v1/faces/{id}/pictures/{picture} /v1/faces/{id}/rejections
        /v1/faces/{id}/rejections/{sighting}
    """,
    "sessions": "/v1/claims /v1/session /v1/session/challenge",
}
