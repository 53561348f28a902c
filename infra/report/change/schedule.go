package change

import (
	"fmt"
	"strconv"
	"strings"
)

var weekdays = map[string]string{
	"*": "every day", "1-5": "on Monday to Friday", "0": "on Sundays", "7": "on Sundays", "1": "on Mondays", "2": "on Tuesdays", "3": "on Wednesdays",
	"4": "on Thursdays", "5": "on Fridays", "6": "on Saturdays", "0,6": "at weekends", "6,0": "at weekends", "6,7": "at weekends", "1-6": "on Monday to Saturday",
}

// Schedule is a cron expression as people say it, where it is one of the usual ones: "at 05:00 on Monday to Friday (Europe/Paris)". Any other stands as it is.
func Schedule(expression, zone string) string {
	text := words(expression)
	if text == "" {
		text = strconv.Quote(expression)
	}
	if zone != "" {
		text += " (" + zone + ")"
	}
	return text
}

func words(expression string) string {
	fields := strings.Fields(expression)
	if len(fields) != 5 {
		return ""
	}
	day, known := weekdays[fields[4]]
	if fields[2] != "*" || fields[3] != "*" || !known {
		return ""
	}
	if every, found := strings.CutPrefix(fields[0], "*/"); found && fields[1] == "*" && fields[4] == "*" {
		if _, err := strconv.Atoi(every); err == nil {
			return "every " + every + " minutes"
		}
	}
	minute, err := strconv.Atoi(fields[0])
	if err != nil || minute < 0 || minute > 59 {
		return ""
	}
	if fields[1] == "*" {
		return fmt.Sprintf("each hour at minute %d %s", minute, day)
	}
	hour, err := strconv.Atoi(fields[1])
	if err != nil || hour < 0 || hour > 23 {
		return ""
	}
	return fmt.Sprintf("at %02d:%02d %s", hour, minute, day)
}
