using Distributed.Core;

namespace Distributed.Jobs.Data;

/// <summary>Where data files are searched, in the order of the members, and how they are fetched from elsewhere.</summary>
internal sealed record DataOptions
{
    public const long DefaultDeliveryLimit = 16L << 30;

    public string? DataDirectory { get; init; } // The folder of --data-dir, which must exist; null if the option is not given.

    /// <summary>A folder for all jobs on this machine.</summary>
    public string? SharedDirectory { get; init; } = Environment.GetEnvironmentVariable("DISTRIBUTED_DATA");

    /// <summary>Where the distribution's packages install data sets, each in its own folder.</summary>
    public string SystemDirectory { get; init; } = "/usr/share/datasets";

    /// <summary>For downloads, each data set in its own folder (XDG Base Directory Specification).</summary>
    public string CacheDirectory { get; init; } = Path.Combine(CacheHome(), "distributed-trainer");

    /// <summary>Where data sets from the coordinator are kept.</summary>
    public string DeliveryDirectory => Path.Combine(CacheDirectory, "delivered");

    public HttpMessageHandler? HttpHandler { get; init; } // For downloads; null for plain HTTP. The caller disposes of it.
    public TimeSpan DownloadTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Bytes of a data set that the coordinator may send (--data-limit); 0 turns this off.</summary>
    public long DeliveryLimit { get; init; } = DefaultDeliveryLimit;

    /// <summary>Folders outside the data directory to which its links may lead when the coordinator sends it (--deliver-from).</summary>
    public IReadOnlyList<string> DeliverFrom { get; init; } = [];

    /// <summary>The places of the data's parts that the coordinator has sent, by their names (<see cref="DataParts.Of"/>).</summary>
    public IReadOnlyDictionary<string, string>? Delivered { get; init; }

    /// <summary>Why the coordinator has not sent missing data, in the user's words; null if it was not asked.</summary>
    public string? NotDelivered { get; init; }

    /// <summary>A user's file or folder: absolute, or relative to the data directory, or else to the working directory.</summary>
    public string Locate(string path) => Find(path) ?? throw new DataException($"{Absence(path)}{OfCoordinator}. "
        + "Give a path that is absolute, or relative to the folder named with --data-dir, or else to the working directory.");

    /// <summary>As <see cref="Locate"/>; null if it does not exist.</summary>
    public string? Find(string path) =>
        Delivered?.GetValueOrDefault(path) ?? (Located(path) is var located && Path.Exists(located) ? located : null);

    public string Absence(string path) => $"'{Path.GetFullPath(Located(path))}' does not exist on {Environment.MachineName}";

    /// <summary>The coordinator's reason, to follow <see cref="Absence"/>.</summary>
    internal string OfCoordinator =>
        NotDelivered is null ? "" : $", and the coordinator cannot send it: {NotDelivered.TrimEnd('.')}";

    private string Located(string path) => Path.Combine(DataDirectory ?? "", path);

    // According to the specification, a relative $XDG_CACHE_HOME is ignored.
    private static string CacheHome() =>
        Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { } home && Path.IsPathFullyQualified(home)
            ? home
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
}
