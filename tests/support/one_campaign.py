"""The account of one campaign, as tests fill and question it."""

from metrics.kpis.since_lead import spend_since_last_lead
from metrics.sums.tally_columns import as_tallies
from metrics.windows.campaign_codes import CampaignCodes
from metrics.windows.campaign_windows import CampaignWindows, MergedWindows


class OneCampaign(CampaignWindows):
    """A campaign alone on its merge partition."""

    def __init__(self):
        self.merged_windows = MergedWindows(CampaignCodes([]))
        super().__init__(self.merged_windows, self.merged_windows.campaign_codes.campaign("c"))

    def put(self, source, resolution, start, tally, limits):
        """Take in a value, and write a checkpoint; whether anything changed."""
        fresh = self.merged_windows.put(source, resolution, start, self._codes, as_tallies([tally]), limits)
        list(self.merged_windows.take_changes())
        return len(fresh) > 0

    def report(self, report):
        self.merged_windows.reports_of(self.code).put(report)

    def slide(self, spans):
        return len(self.merged_windows.slide(spans)) > 0

    def drop_before(self, resolution, earliest):
        return [dropped.start for dropped in self.merged_windows.drop_before(resolution, earliest)]

    def tumbling(self, kind, start):
        return self.merged_windows.tumbling(kind, start, self._codes).as_list()[0]

    def spend_since_last_lead(self):
        return spend_since_last_lead(self.merged_windows, self._codes)[0].spend_micros
