"""A Shopify and an Engage on loopback: to run, show and test the connector without accounts."""
