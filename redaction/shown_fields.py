"""Allow-list of redaction: the fields of JSON whose values are shown while personal data is masked.

Names are lower case without `_` and `-`. A field that is not listed is hidden, and so is everything below an object
that is not listed. `tests/privacy/test_shown_fields.py` has every field of the calls and webhooks that is hidden.
"""

from __future__ import annotations

from enum import Enum


class Shown(Enum):
    """What a listed field holds; a value of another kind is hidden."""

    CODE = "an id, amount, instant, state, currency or another word without spaces"
    TEXT = "words about a thing: an article, a tax, a store, a discount"
    NUMBER = "a number"
    ORDER_NAME = "an order's name, such as #1001"
    CONTACT_ID = "the id of a contact at Engage, where an e-mail address may stand as well"
    GRAPHQL = "a document of ours, for the Admin API"


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Objects that are looked into. Lists and pages of them (nodes, edges) count as the object itself.
OBJECTS = (
    # GraphQL: requests, responses, pages
    _names("""data variables input extensions errors usererrors cost throttlestatus pageinfo payload
    currentappinstallation accessscopes bulkoperation currentbulkoperation bulkoperations
    bulkoperationrunquery bulkoperationcancel customeremailmarketingconsentupdate
    customersmsmarketingconsentupdate shop plan primarydomain shopaddress markets market conditions
    regionscondition regions order orders orderscount customer customers customerscount refund refunds
    fulfillment fulfillments lineitem lineitems variant product image fulfillmentlineitems refundlineitems
    shippingline shippinglines refundshippinglines orderadjustments duties discountallocations
    discountapplication discountapplications discountcodes taxlines transactions trackinginfo retaillocation
    location locations defaultemailaddress defaultphonenumber smsmarketingconsent emailmarketingconsent
    marketingconsent defaultaddress billingaddress shippingaddress addresses destination
    customermarketingconsent shopmoney presentmentmoney pricerange""")
    # GraphQL and webhooks: amounts in two currencies
    | _names("""allocatedamountset amountset amountroundingset currenttotalpriceset currentsubtotalpriceset
    currentshippingpriceset currenttotaltaxset currenttotaldiscountsset currenttotaladditionalfeesset
    currenttotaldutiesset discountedpriceset discountedtotalset discountedunitpriceset originalpriceset
    originaltotaladditionalfeesset originaltotaldutiesset originaltotalset originalunitpriceset paymentset
    priceset refundset subtotalamountset subtotalpriceset subtotalset taxamountset totaladditionalfeesset
    totalamountset totalcashroundingadjustment totaldiscountsset totaldiscountset totallineitemspriceset
    totaloutstandingset totalpriceset totalreceivedset totalrefundedset totalshippingpriceset totaltaxset
    totaltipreceivedset cashroundingadjustmentset currenttotalcashroundingset""")
    # Engage
    | _names("""attributes meta preferences consents contact contacts items discounts taxdetails fees paymentmethods
    extradata usedpromotions usedbonuschecks details stores""")
)

CODES = (
    # ids
    _names("""id legacyresourceid admingraphqlapiid orderid customerid productid variantid lineitemid locationid
    shopid appid userid refundid fulfillmentid transactionid parentid paymentid externalid storeexternalid
    externalstoreid storeid contactid uniquereceiptid receiptnumber ordernumber deliveryid cursor
    startcursor endcursor orderstoredact ordersrequested eventid tenant checknumber""")
    # instants
    | _names("""createdat updatedat processedat closedat cancelledat completedat createdon createddate updatedon date
    statuschangeddate shippingdate paymentdate consentupdatedat marketingupdatedat happenedat expires
    redeemedon expireson""")
    # states, types, codes
    | _names("""type kind status state contacttype eventtype event topic financialstatus fulfillmentstatus
    shipmentstatus displayfinancialstatus displayfulfillmentstatus displaystatus orderstatus paymentstatus
    cancelreason restocktype marketingstate marketingoptinlevel optinlevel consentcollectedfrom
    collectedfrom matchkeytype targettype targetselection allocationmethod valuetype applicationlevel
    precision errorcode code gateway paymentgatewaynames source sourcename handle weightunit field path
    typename fulfillmentservice redemptionchannel""")
    # money and quantities
    | _names("""amount currency currencycode presentmentcurrency presentmentcurrencycode enabledpresentmentcurrencies
    price subtotalprice totalprice totaltax totaldiscounts totaldiscount totallineitemsprice
    totaloutstanding totaltipreceived totalweight currentsubtotalprice currenttotalprice currenttotaltax
    currenttotaldiscounts discountedprice subtotal grams quantity currentquantity fulfillablequantity
    unfulfilledquantity refundablequantity totalquantity rate ratepercentage grosspaidprice
    grosspaidpriceperunit pricepercent taxamount taxpercent totalgrossprice totalexcludingtax
    totalincludingtax exchangeratetogroupcurrency originalprice originalpriceperunit percent count index objectcount
    rootobjectcount filesize discountapplicationindex requestedquerycost actualquerycost maximumavailable
    currentlyavailable restorerate timezoneoffsetminutes redeemedvalue maximum""")
    # places and languages, no closer than a country; the shop itself
    | _names("""countrycode countrycodev2 locale customerlocale language primarylocale ianatimezone myshopifydomain
    shopdomain host shippingcountry billingcountry planname""")
    # articles
    | _names("""barcode imageurl targeturl onlinestoreurl""")
)

TEXTS = _names("""sku articlename articlenumber articlegroup producttype vendor varianttitle country plandisplayname
    publicdisplayname shippingmethod formattedgateway""")

# Names of several things: what they hold depends on the object around them ("" at the top).
_THINGS = _names("""lineitem lineitems items product variant taxlines shippingline shippinglines store stores
    market markets regions location locations retaillocation discountapplication
    discountapplications""")
_ORDERS = ["", "order", "orders", "refund", "refunds", "fulfillment", "fulfillments"]
_SUMS = ["paymentmethods", "discounts", "taxdetails", "fees"]
BY_OBJECT: dict[str, dict[str, Shown]] = {
    "name": dict.fromkeys(_THINGS, Shown.TEXT) | dict.fromkeys(_ORDERS, Shown.ORDER_NAME),
    "title": dict.fromkeys(_THINGS, Shown.TEXT),
    "description": dict.fromkeys(
        ["discounts", "discountapplication", "discountapplications", "items", "taxdetails", "paymentmethods"],
        Shown.TEXT,
    ),
    "matchkey": {"contact": Shown.CONTACT_ID},
    "value": dict.fromkeys(_SUMS, Shown.NUMBER),
    "number": dict.fromkeys(["", "order"], Shown.NUMBER),
    "type": {"paymentmethods": Shown.TEXT},
    "query": {"": Shown.GRAPHQL},
}


def folded(name: str) -> str:
    """A field's name as it is listed."""
    return name.replace("_", "").replace("-", "").lower()
