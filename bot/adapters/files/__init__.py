"""What do the files in the configuration folders say?"""
