"""The judgements: which package is right where the two differ, and where both fall short."""

from _crosscheck import Correction, Decision, Difference

DECISIONS = (
    Decision(
        Difference("ocpp1.6", "MeterValues.request/meterValue", "minItems", None, 1),
        "pypi",
        "OCPP 1.6 6.31 gives the field the cardinality 1..*: a message without any meter value says nothing.",
    ),
    Decision(
        Difference("ocpp1.6", "MeterValues.request/meterValue/items/sampledValue", "minItems", None, 1),
        "pypi",
        "OCPP 1.6 7.33 gives the field the cardinality 1..*.",
    ),
    Decision(
        Difference("ocpp1.6", "MeterValues.request/meterValue/items/sampledValue/items/unit", "enum", (), ("Hertz",)),
        "both",
        "The OCPP 1.6 errata sheet 4.0 (3.84) names Hertz as the unit of the measurand Frequency; charge "
        "points send it, so the more lenient list holds.",
    ),
    Decision(
        Difference("ocpp2.0.1", "Get15118EVCertificate.response/exiResponse", "maxLength", 5600, 7500),
        "pypi",
        "The OCPP 2.0.1 errata raise the limit to 7500, since real certificate chains exceed 5600; the more "
        "lenient value.",
    ),
)
"""One entry for each difference of the two packages."""

CORRECTIONS = (
    Correction(
        "ocpp1.6",
        "StopTransaction.request/transactionData/items/sampledValue/items/unit",
        ("Hertz",),
        "The same type SampledValue as in MeterValues: a unit valid there cannot be invalid here.",
    ),
)
"""One entry for each enumeration on which both packages agree and to which we add members."""
