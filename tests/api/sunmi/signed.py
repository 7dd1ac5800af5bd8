"""What the golden signatures are of."""

DEVICE = {
    "app_id": "JO83UNV983U9OR",
    "random": "289192",
    "sn": "FS101D8BS00106",
    "timestamp": "1593029283",
}

COMPANY = {
    "app_id": "87F380B846C51FF7",
    "company_id": "10000",
    "company_name": "myCompany",
    "contact_person": "LiLei",
    "phone": "13166668888",
    "random": "289192",
    "shop_id": "100001",
    "shop_nam": "myShop",
    "sunmi_shop_key": "MG4LJ5ERHUBDMF5XOOU8",
    "sunmi_shop_no": "470826116009",
    "timestamp": "1603718252",
}
