# Lesson 08: a comparison gives True and False, and True counts as 1.
late = (waits["business_s"] > 2 * 3600).sum()
