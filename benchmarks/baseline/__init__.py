"""The plain stack Rhizome is compared with: Flask on gunicorn, one Celery task a prediction, Redis for both.

Written as a competent user would write it, at its best settings, so that the comparison is worth something.
"""
