"""The short way of the commonest calls: `POST /predict` and `GET /result/<id>` in their plain forms.

They say what the routes say, without Flask, and hold no thread while they wait. What is not plain (options in the
query, webhooks, other media types, repeated requests, batches) is not for here: the routes take it, and whatever is
here may be given to them as it came.
"""
