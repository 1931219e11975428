"""The messages that are measured: what is called, with what, and what comes back."""

from dataclasses import dataclass
from typing import Any

NOW = "2030-01-02T03:04:05Z"


@dataclass(frozen=True)
class Message:
    """A call and its result."""

    name: str
    """How tables call it."""
    protocol: str
    method: str
    params: dict[str, Any]
    result: dict[str, Any]


def _status() -> dict[str, Any]:
    return {
        "connectorId": 1,
        "errorCode": "NoError",
        "status": "Charging",
        "timestamp": NOW,
        "info": "cable locked, EV ready",
        "vendorId": "com.example",
    }


def _sampled(measurand: str, unit: str, phase: str, value: float) -> dict[str, Any]:
    return {
        "value": value,
        "context": "Sample.Periodic",
        "measurand": measurand,
        "phase": phase,
        "location": "Outlet",
        "unitOfMeasure": {"unit": unit, "multiplier": 0},
    }


def _transaction() -> dict[str, Any]:
    quantities = (("Voltage", "V", 230.4), ("Current.Import", "A", 15.9), ("Power.Active.Import", "W", 3663.36))
    samples = [
        _sampled(measurand, unit, phase, value)
        for measurand, unit, value in quantities
        for phase in ("L1", "L2", "L3", "N")
    ]
    return {
        "eventType": "Updated",
        "timestamp": NOW,
        "triggerReason": "MeterValuePeriodic",
        "seqNo": 17,
        "transactionInfo": {"transactionId": "6f1c3c1e-5b7c-4b44-9a5e-0d1c7a1f2e3d", "chargingState": "Charging"},
        "evse": {"id": 1, "connectorId": 1},
        "idToken": {"idToken": "04A1B2C3D4E5F6", "type": "ISO14443"},
        "meterValue": [{"timestamp": NOW, "sampledValue": samples}],
    }


def charging_profile(periods: int = 24) -> dict[str, Any]:
    """The parameters of SetChargingProfile with so many periods, each with a limit that is a multiple of 0.1."""
    schedule = [
        {"startPeriod": 3600 * i, "limit": round(6 + i % 240 * 0.4, 1), "numberPhases": 3} for i in range(periods)
    ]
    return {
        "connectorId": 1,
        "csChargingProfiles": {
            "chargingProfileId": 1,
            "transactionId": 1234,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Absolute",
            "validFrom": NOW,
            "validTo": "2030-01-03T03:04:05Z",
            "chargingSchedule": {
                "duration": 3600 * periods,
                "startSchedule": NOW,
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": schedule,
                "minChargingRate": 6.1,
            },
        },
    }


MESSAGES = {
    "hb": Message("Heartbeat", "ocpp1.6", "Heartbeat", {}, {"currentTime": NOW}),
    "sn": Message("StatusNotification", "ocpp1.6", "StatusNotification", _status(), {}),
    "te": Message(
        "TransactionEvent", "ocpp2.0.1", "TransactionEvent", _transaction(), {"totalCost": 8.25, "chargingPriority": 3}
    ),
    "scp": Message("SetChargingProfile", "ocpp1.6", "SetChargingProfile", charging_profile(), {"status": "Accepted"}),
}
"""By the short name that arguments and results use."""

PROTOCOLS = ("ocpp1.6", "ocpp2.0.1")
