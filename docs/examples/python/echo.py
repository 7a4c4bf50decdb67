"""Says back what it is told: what a hub needs, and nothing else."""
import fanwire

hub = fanwire.Hub(listen="ws://127.0.0.1:9090/ws")


@hub.on_message
def said(session, data):
    session.send(data)


if __name__ == "__main__":
    hub.run()
