"""What the notice says, in each language."""

from __future__ import annotations

from enum import StrEnum


class Language(StrEnum):
    EN = "en"
    ZH = "zh"


ATTRIBUTES = {
    Language.EN: {"age": "age", "gender": "gender", "emotion": "expression"},
    Language.ZH: {"age": "年龄", "gender": "性别", "emotion": "表情"},
}
"""Estimates that say something about a person. Pose and liveness say something about a picture."""

WORDS = {
    Language.EN: {
        "title": "Cameras here recognise faces",
        "who": "Who is responsible",
        "controller": "{controller}",
        "reach": "You reach us at {contact}.",
        "why": "What for",
        "purposes": "To count visits, and to recognise people who come again.",
        "what": "What happens",
        "template": "Cameras take pictures of people who come in. Software turns each face into numbers, and compares "
        "them with those of the faces that it knows. So it tells who has been here before, and when.",
        "estimates": "It estimates {names} from the picture. That may be wrong.",
        "children": "It does not tell small children apart reliably.",
        "young": "It leaves out people whom it estimates to be younger than {years}. It estimates children 2 to 4 "
        "years too old.",
        "and": ", ",
        "long": "How long it is kept",
        "captures": "Pictures of the cameras: {days} days.",
        "no captures": "Pictures of the cameras: not kept; deleted as soon as the faces in them are compared.",
        "pictured": "Of a face we keep the numbers and pictures.",
        "unpictured": "Of a face we keep the numbers, and no picture.",
        "strangers": "Faces of people who come rarely: {end}.",
        "regulars": "Faces of people who come often: {end}.",
        "visits": "Times of visits: {end}.",
        "days": "{days} days",
        "unseen": "{days} days after the last visit",
        "endless": "until we delete them",
        "rights": "Your rights",
        "may": "You may see what is held about you, have it corrected or erased, and object.",
        "ask": "Ask us: {contact}. We may need a picture of your face to find what is yours.",
        "complain": "You may complain to the data protection authority.",
    },
    Language.ZH: {
        "title": "本场所的摄像头使用人脸识别",
        "who": "个人信息处理者",
        "controller": "{controller}",
        "reach": "联系方式：{contact}",
        "why": "处理目的",
        "purposes": "统计到访次数，并识别再次到访的人员。",
        "what": "处理方式",
        "template": "摄像头拍摄进入人员的照片。软件将每张人脸转换为一组数字，并与已知人脸的数字比对，"
        "从而得知谁曾来过、何时来过。",
        "estimates": "软件会根据照片推测{names}，结果可能有误。",
        "children": "软件不能可靠地区分幼儿。",
        "young": "软件不记录也不识别推测不满 {years} 岁的人员。儿童的年龄会被高估 2 至 4 岁。",
        "and": "、",
        "long": "保存期限",
        "captures": "摄像头照片：{days} 天。",
        "no captures": "摄像头照片：不保存，比对完成后立即删除。",
        "pictured": "对每张人脸，我们保存其数字和照片。",
        "unpictured": "对每张人脸，我们只保存其数字，不保存照片。",
        "strangers": "偶尔到访者的人脸：{end}。",
        "regulars": "经常到访者的人脸：{end}。",
        "visits": "到访时间：{end}。",
        "days": "{days} 天",
        "unseen": "最后一次到访后 {days} 天",
        "endless": "直至我们删除",
        "rights": "您的权利",
        "may": "您有权查阅我们保存的您的信息，要求更正或删除，也有权拒绝。",
        "ask": "请联系我们：{contact}。为了找到您的信息，我们可能需要一张您的面部照片。",
        "complain": "您也可以向履行个人信息保护职责的部门投诉。",
    },
}
