"""A bridge to MQTT: publishes arrivals for Home Assistant and Frigate, and turns Frigate's pictures
into captures."""
