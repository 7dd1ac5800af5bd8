"""The page of an archive that people read. It needs nothing but the files beside it.

Its words are in English and Chinese.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from html import escape
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from chalicelib.core.captures import parts_of_sighting
from chalicelib.core.consent import Consent
from chalicelib.core.observations import Observation, ObservationKind
from chalicelib.core.places import PLACES
from chalicelib.core.values import moment
from chalicelib.services.subject_access.places import Subject, visits_of

if TYPE_CHECKING:
    from chalicelib.services.subject_access.subject_access import Language

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1d1f21 }
h2 { margin-top: 2rem } img { max-height: 9rem; margin: 0 .4rem .4rem 0; border-radius: .3rem }
table { border-collapse: collapse } td, th { text-align: left; vertical-align: top; padding: .25rem .8rem .25rem 0;
border-bottom: 1px solid #d9dbde }
"""

_A_MOMENT = timedelta(minutes=1)
_ESTIMATES = ("age", "gender", "emotion", "beauty", "liveness", "quality")


def html(document: Mapping[str, Any], subject: Subject, captures: Mapping[str, str], language: Language) -> str:
    """Write the page. `captures`: the names of the pictures that are in the archive, by the captures' ids."""
    said = CHINESE if language == "zh" else ENGLISH
    zone = ZoneInfo(subject.tenant.time_zone)
    body = [
        f"<h1>{said['title']}</h1><p>{said['by']} {escape(document['tenant'])}, {said['at']} "
        f"{escape(document['written_at'])}. {said['times']} {escape(zone.key)}. {said['machine']}</p>",
        *(f"<h3>{escape(heading)}</h3>{_list(lines)}" for heading, lines in document["notice"].items()),
        f"<h2>{said['who']}</h2>{_table([], _record(subject, document['group'], said, zone))}",
        f"<h2>{said['pictures']}</h2>{_images(document['pictures'])}<p>{said['template']}</p>",
        f"<h3>{said['estimates']}</h3>{_table([], _estimates(subject))}",
        f"<h2>{said['visits']}</h2>{_table([said['first'], said['last'], said['times_seen']], _visits(subject, zone))}",
        f"<h2>{said['seen']}</h2><p>{said['others']}</p>",
        _table(
            [said[name] for name in ("when", "what", "camera", "group", "score", "picture")],
            (_seen(one, captures, said, zone) for one in _newest(subject.observations)),
        ),
        f"<h2>{said['places']}</h2>",
        _table([said["place"], said["holds"], said["records"]], _places(document["held"], language)),
        f"<h2>{said['kept']}</h2>{_table([], _kept(document['kept'], said))}",
        f"<h2>{said['told']}</h2>{_told(document['told'], said)}",
    ]
    return (
        f'<!doctype html>\n<html lang="{language}"><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width, initial-scale=1"><title>{said["title"]}</title><style>{_STYLE}</style>\n'
        + "\n".join(body)
        + "\n</html>\n"
    )


def _record(subject: Subject, group: str, said: Mapping[str, str], zone: ZoneInfo) -> list[list[str]]:
    face = subject.face
    origin = _origin(subject)
    rows = {
        "face": face.faceid,
        "name": face.name,
        "note": face.note,
        "group": group,
        "enrolled": _time(face.enrolled_at, zone),
        "origin": said[origin] if origin else "",
        "age": "" if face.age is None else str(face.age),
        "gender": str(face.gender or ""),
        "attributes": ", ".join(face.attributes.values()),
        "labels": ", ".join(filter(None, face.labels)),
        "consent": _consent(face.consent, zone),
        "evidence": face.consent.evidence if face.consent else "",
        "hold": f"{_time(face.hold.at, zone)}: {face.hold.reason}" if face.hold else "",
        "restricted": f"{_time(face.restriction.at, zone)}: {face.restriction.reason}" if face.restriction else "",
        "arrive_count": str(face.arrive_count),
    }
    return [[said[name], escape(value)] for name, value in rows.items() if value]


def _origin(subject: Subject) -> ObservationKind | None:
    """Tell what made the face: an enrolment of that moment, else what is known first. None: nothing is known any more.

    A capture of before an enrolment may come after it, from a camera that was offline.
    """
    enrolled_at = subject.face.enrolled_at
    enrolments = (one.at for one in subject.observations if one.kind is ObservationKind.ENROLMENT)
    if any(abs(at - enrolled_at) < _A_MOMENT for at in enrolments):
        return ObservationKind.ENROLMENT
    return min(((one.at, one.kind) for one in subject.observations), default=(None, None))[1]


def _consent(consent: Consent | None, zone: ZoneInfo) -> str:
    if consent is None:
        return ""
    until = f" to {_time(consent.expires_at, zone)}" if consent.expires_at else ""
    return f"{consent.basis}, {_time(consent.given_at, zone)}{until}"


def _estimates(subject: Subject) -> list[list[str]]:
    found = {name: getattr(subject.face.estimates, name) for name in _ESTIMATES}
    return [[name, escape(str(value))] for name, value in found.items() if value is not None]


def _list(lines: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _images(files: Iterable[str]) -> str:
    return "".join(
        f'<img src="{escape(name)}" alt="{escape(name)}">' for name in files if not name.endswith(".160.jpg")
    )


def _visits(subject: Subject, zone: ZoneInfo) -> list[list[str]]:
    return [
        [_time(moment(one.first_ms), zone), _time(moment(one.last_ms), zone), str(one.sightings)]
        for one in reversed(visits_of(subject).arrivals.recent)
    ]


def _newest(observations: Iterable[Observation]) -> list[Observation]:
    return sorted(observations, key=lambda one: (one.at, one.id), reverse=True)


def _seen(one: Observation, captures: Mapping[str, str], said: Mapping[str, str], zone: ZoneInfo) -> list[str]:
    decision = one.decision
    score = "" if decision is None or decision.score is None else f"{decision.score:.3f} ≥ {decision.threshold:.3f}"
    picture = captures.get(parts_of_sighting(one.id)[0]) if one.camera else None
    link = f'<a href="{escape(picture)}"><img src="{escape(picture)}" alt="" loading="lazy"></a>' if picture else ""
    return [_time(one.at, zone), said[one.kind], escape(one.camera), escape(one.group_name), score, link]


def _places(held: Mapping[str, Any], language: Language) -> list[list[str]]:
    return [
        [
            escape(place.name),
            CHINESE_PLACES[place.name] if language == "zh" else place.holds,
            str(len(held[place.name])) if place.name in held else "",
        ]
        for place in PLACES
        if place.is_ours
    ]


def _kept(kept: Mapping[str, int | None], said: Mapping[str, str]) -> list[list[str]]:
    return [[said[name], said["until"] if days is None else f"{days} {said['days']}"] for name, days in kept.items()]


def _told(told: Iterable[Mapping[str, Any]], said: Mapping[str, str]) -> str:
    hosts = [escape(one["host"] or said["mailbox"]) for one in told]
    return f"<p>{', '.join(hosts) or said['nobody']}</p>"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a table of cells that are HTML already."""
    heads = "".join(f"<th>{cell}</th>" for cell in head)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{heads}</tr>{lines}</table>" if heads else f"<table>{lines}</table>"


def _time(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"


ENGLISH: Mapping[str, str] = {
    "title": "All that is held about one person",
    "by": "held by",
    "at": "as of",
    "times": "Times are those of",
    "who": "The record",
    "face": "id",
    "name": "name",
    "note": "note",
    "group": "group",
    "enrolled": "in the book since",
    "origin": "how it came there",
    "enrolment": "somebody enrolled a picture",
    "sighting": "a camera saw the person",
    "search": "somebody searched with a picture",
    "age": "age, as set",
    "gender": "gender, as set",
    "attributes": "attributes",
    "labels": "labels",
    "consent": "basis on which it is kept",
    "evidence": "what shows it",
    "hold": "under legal hold since",
    "restricted": "kept without being used since",
    "arrive_count": "visits",
    "pictures": "Pictures",
    "estimates": "What was estimated from the first picture",
    "template": "From each picture a program computes a template: numbers by which faces are compared. They are in "
    "everything.json, with the name of the model that made them.",
    "visits": "Visits",
    "first": "from",
    "last": "to",
    "times_seen": "times seen",
    "seen": "When the person was enrolled, searched for or seen",
    "when": "when",
    "what": "what",
    "camera": "camera",
    "score": "likeness, and the least that counts",
    "picture": "picture",
    "others": "Other people in these pictures are made unrecognisable.",
    "places": "Where something is held",
    "place": "place",
    "holds": "what it holds about the person",
    "records": "records",
    "kept": "How long it is kept",
    "days": "days",
    "until": "until the face is deleted or erased",
    "told": "Who may have been told of visits",
    "nobody": "nobody",
    "mailbox": "a program of the holder's own",
    "machine": "The file everything.json holds all of this in full, for programs.",
    "capture_pictures": "pictures that cameras sent",
    "captures": "records of these pictures",
    "learnt_pictures": "pictures that the face learnt from cameras",
    "merges": "how to undo that two faces became one",
    "events": "events that nobody fetched",
    "audit": "who did what with this",
    "unseen": "the face, if it is not seen again",
    "observations": "observations",
}

CHINESE: Mapping[str, str] = {
    "title": "所保存的关于此人的全部信息",
    "by": "保存者",
    "at": "截至",
    "times": "时间所用时区：",
    "who": "记录",
    "face": "编号",
    "name": "姓名",
    "note": "备注",
    "group": "分组",
    "enrolled": "登记时间",
    "origin": "来源",
    "enrolment": "有人登记了照片",
    "sighting": "摄像头拍到",
    "search": "有人用照片检索",
    "age": "年龄（人工填写）",
    "gender": "性别（人工填写）",
    "attributes": "属性",
    "labels": "标签",
    "consent": "处理依据",
    "evidence": "依据的证明",
    "hold": "依法保留，自",
    "restricted": "限制使用，自",
    "arrive_count": "到访次数",
    "pictures": "照片",
    "estimates": "由第一张照片估计的信息",
    "template": "程序由每张照片计算出人脸模板，即用于比对的一组数字。它们在 everything.json 中，并注明所用模型。",
    "visits": "到访",
    "first": "开始",
    "last": "结束",
    "times_seen": "拍到次数",
    "seen": "登记、检索与拍到的记录",
    "when": "时间",
    "what": "事项",
    "camera": "摄像头",
    "score": "相似度及最低要求",
    "picture": "图片",
    "others": "图片中的其他人已作模糊处理。",
    "places": "保存位置",
    "place": "位置",
    "holds": "所保存的内容",
    "records": "条数",
    "kept": "保存期限",
    "days": "天",
    "until": "直到该人脸被删除或清除",
    "told": "可能收到到访通知的对象",
    "nobody": "无",
    "mailbox": "保存者自己的程序",
    "machine": "文件 everything.json 以机器可读的形式包含以上全部内容。",
    "capture_pictures": "摄像头拍摄的图片",
    "captures": "这些图片的记录",
    "learnt_pictures": "从摄像头学到的照片",
    "merges": "撤销人脸合并所需的信息",
    "events": "无人取走的事件",
    "audit": "对这些数据的操作记录",
    "unseen": "人脸（未再被拍到时）",
    "observations": "观察记录",
}

CHINESE_PLACES: Mapping[str, str] = {
    "faces": "人脸记录：分组、姓名、备注、属性、标签、同意记录、依法保留、估计值、模板",
    "names": "姓名中的字词，用于按姓名查找",
    "holds": "该人脸是否依法保留，起始时间及原因",
    "users": "人脸所属的用户或名称：编号、模板均值、姓名",
    "arrivals": "到访：每次的开始和结束时间",
    "observations": "何时登记、检索或拍到，以及把握程度",
    "captures": "拍到此人的图片及其在图中的位置",
    "journal": "人脸库中该人脸的近期变更，含模板",
    "negatives": "有人指出不是此人（或不是他人）的图片",
    "merges": "后来确认为此人的其他人脸，在可撤销期间保存",
    "reviews": "需要人工查看的拍摄",
    "duplicates": "另一人脸可能也是此人",
    "outbox": "等待发送或领取的、关于此人的事件",
    "requests": "近期请求的回答，用于识别重复请求",
    "stills": "操作员查看时摄像头拍到的画面，不作检索",
    "audit": "谁在何时对此人的数据做了什么，以及如何将此人与他人区分",
    "face pictures": "人脸照片，包括缩略图和学到的照片",
    "capture pictures": "摄像头发送的图片",
    "crops": "从图片中截取的此人面部",
    "snapshots": "用于检索的全部人脸模板，与人脸记录中的相同",
    "sealed days": "用于统计的每日观察记录，与观察记录相同",
    "archives": "应请求生成的本文件，保存数小时",
}
"""By the names of places."""
