using System.Globalization;

namespace Distributed.Coordinator.Observers;

/// <summary>The numbers of a progress, as the user reads them.</summary>
internal static class ProgressText
{
    public static string Loss(double loss) => string.Create(CultureInfo.InvariantCulture, $"{loss:0.0000}");

    public static string Speed(double samplesPerSecond) =>
        samplesPerSecond.ToString(samplesPerSecond < 100 ? "0.0" : "#,0", CultureInfo.InvariantCulture) + " samples/s";

    public static string Time(TimeSpan time) => time.TotalHours < 1
        ? time.ToString(@"m\:ss", CultureInfo.InvariantCulture)
        : string.Create(CultureInfo.InvariantCulture, $"{(long)time.TotalHours}:{time:mm\\:ss}");
}
