"""Payloads that the schemas of each OCPP version allow, and some that they do not."""

NOW = "2026-01-02T03:04:05Z"

BOOT_RESULT = {"status": "Accepted", "currentTime": NOW, "interval": 300}
BOOT = {
    "ocpp1.6": {"chargePointVendor": "Vendor", "chargePointModel": "Modèle ⚡"},
    "ocpp2.0.1": {"reason": "PowerUp", "chargingStation": {"vendorName": "Vendor", "model": "Modèle ⚡"}},
}
BOOT["ocpp2.1"] = BOOT["ocpp2.0.1"]

STATUS = {
    "ocpp1.6": {"connectorId": 1, "errorCode": "NoError", "status": "Available"},
    "ocpp2.0.1": {"timestamp": NOW, "connectorStatus": "Available", "evseId": 1, "connectorId": 1},
}
STATUS["ocpp2.1"] = STATUS["ocpp2.0.1"]

RESET = {"ocpp1.6": {"type": "Soft"}, "ocpp2.0.1": {"type": "Immediate"}, "ocpp2.1": {"type": "Immediate"}}

PROTOCOLS = tuple(BOOT)

STATION_CALLS = {
    protocol: (
        ("BootNotification", BOOT[protocol], BOOT_RESULT),
        ("Heartbeat", {}, {"currentTime": NOW}),
        ("StatusNotification", STATUS[protocol], {}),
    )
    for protocol in PROTOCOLS
}
"""What a station calls: method, params, result."""

SYSTEM_ANSWERS = {
    protocol: {method: {"result": result} for method, _, result in calls} for protocol, calls in STATION_CALLS.items()
}
"""What a management system answers, in the form that the hosts take."""

RESET_RESULT = {"status": "Accepted"}
STATION_ANSWERS = {"Reset": {"result": RESET_RESULT}}

IDENTITY = "Säule 1:2 ⚡/%"
"""Has a space, a colon, a slash, a percent sign and letters beyond ASCII."""
PASSWORD = bytes(range(256))
"""Every byte there is, the colon included."""
