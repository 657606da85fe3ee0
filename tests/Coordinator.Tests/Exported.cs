using System.Globalization;
using System.Text;
using Prometheus;

namespace Distributed.Coordinator.Tests;

/// <summary>What a registry exports.</summary>
internal static class Exported
{
    /// <summary>The value of a sample, named as in the text format: name{label="value"}; null where there is none.</summary>
    public static async Task<double?> ValueAsync(this CollectorRegistry registry, string sample)
    {
        using var page = new MemoryStream();
        await registry.CollectAndExportAsTextAsync(page);
        var line = Encoding.UTF8.GetString(page.ToArray()).Split('\n')
            .SingleOrDefault(l => l.StartsWith(sample + " ", StringComparison.Ordinal));
        return line is null ? null : double.Parse(line[(sample.Length + 1)..], CultureInfo.InvariantCulture);
    }
}
