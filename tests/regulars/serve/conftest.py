from testing.second_try import second_try

pytest_itemcollected = second_try(
    imports={"served", "serving", "Server", "Service", "Session", "subprocess"}
)
