"""The namespaces and actions of ONVIF and of the standards under it.

Source  ONVIF Core, Media, Media2 and Event service WSDLs; WS-Addressing 1.0; WS-BaseNotification
        1.3; WS-Discovery April 2005; WSS UsernameToken Profile 1.0.
"""

from typing import Final

SOAP: Final = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING: Final = "http://www.w3.org/2005/08/addressing"
OLD_ADDRESSING: Final = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
DISCOVERY: Final = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
NETWORK: Final = "http://www.onvif.org/ver10/network/wsdl"
DEVICE: Final = "http://www.onvif.org/ver10/device/wsdl"
MEDIA: Final = "http://www.onvif.org/ver10/media/wsdl"
MEDIA2: Final = "http://www.onvif.org/ver20/media/wsdl"
EVENTS: Final = "http://www.onvif.org/ver10/events/wsdl"
SCHEMA: Final = "http://www.onvif.org/ver10/schema"
TOPICS: Final = "http://www.onvif.org/ver10/topics"
NOTIFICATION: Final = "http://docs.oasis-open.org/wsn/b-2"
_WSS: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
SECURITY: Final = f"{_WSS}wssecurity-secext-1.0.xsd"
UTILITY: Final = f"{_WSS}wssecurity-utility-1.0.xsd"
DIGEST_TYPE: Final = f"{_WSS}username-token-profile-1.0#PasswordDigest"
BASE64_TYPE: Final = f"{_WSS}soap-message-security-1.0#Base64Binary"

CREATE: Final = f"{EVENTS}/EventPortType/CreatePullPointSubscriptionRequest"
PULL: Final = f"{EVENTS}/PullPointSubscription/PullMessagesRequest"
SYNCHRONIZE: Final = f"{EVENTS}/PullPointSubscription/SetSynchronizationPointRequest"
RENEW: Final = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/RenewRequest"
UNSUBSCRIBE: Final = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/UnsubscribeRequest"
