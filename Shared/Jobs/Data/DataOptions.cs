using Distributed.Core;

namespace Distributed.Jobs.Data;

/// <summary>Where data files are looked for, in the order of the members, and how they are had from elsewhere.</summary>
internal sealed record DataOptions
{
    /// <summary>What <see cref="DeliveryLimit"/> is where it is not given: 16 GiB.</summary>
    public const long DefaultDeliveryLimit = 16L << 30;

    /// <summary>A folder given on the command line (--data-dir), or null. It must exist.</summary>
    public string? DataDirectory { get; init; }

    /// <summary>A folder for all jobs on this machine; by default $DISTRIBUTED_DATA.</summary>
    public string? SharedDirectory { get; init; } = Environment.GetEnvironmentVariable("DISTRIBUTED_DATA");

    /// <summary>Where the distribution's packages put data sets, each in a folder of its own.</summary>
    public string SystemDirectory { get; init; } = "/usr/share/datasets";

    /// <summary>
    /// Where downloads are kept, each data set in a folder of its own; by default distributed-trainer in
    /// $XDG_CACHE_HOME or else ~/.cache (XDG Base Directory Specification).
    /// </summary>
    public string CacheDirectory { get; init; } = Path.Combine(CacheHome(), "distributed-trainer");

    /// <summary>Where data sets are kept that a coordinator has sent.</summary>
    public string DeliveryDirectory => Path.Combine(CacheDirectory, "delivered");

    /// <summary>How downloads reach the network; null for plain HTTP. Stays the caller's to dispose.</summary>
    public HttpMessageHandler? HttpHandler { get; init; }

    /// <summary>How long the download of one file may take.</summary>
    public TimeSpan DownloadTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Bytes that a data set may have which the coordinator sends (--data-limit); 0 for none at all.</summary>
    public long DeliveryLimit { get; init; } = DefaultDeliveryLimit;

    /// <summary>Folders beside the data directory that links in it may lead to where data is sent to other machines (--deliver-from).</summary>
    public IReadOnlyList<string> DeliverFrom { get; init; } = [];

    /// <summary>Where the parts of the job's data lie that the coordinator has sent, by their names (<see cref="DataParts.Of"/>); null where it has sent none.</summary>
    public IReadOnlyDictionary<string, string>? Delivered { get; init; }

    /// <summary>Why the coordinator has not sent data that is not on this machine, in a user's words; null where it was not asked.</summary>
    public string? NotDelivered { get; init; }

    /// <summary>Where a file or folder of a user's own lies: an absolute path as it is, another one from the data directory, or else from
    /// the working directory.</summary>
    /// <exception cref="DataException">There is nothing.</exception>
    public string Locate(string path) => Find(path) ?? throw new DataException($"{Absence(path)}{OfCoordinator}. Give a path that is absolute, "
        + "or that begins at the folder named with --data-dir, or else at the working directory.");

    /// <summary>As <see cref="Locate"/>; null where there is nothing.</summary>
    public string? Find(string path) =>
        Delivered?.GetValueOrDefault(path) ?? (Located(path) is var located && Path.Exists(located) ? located : null);

    /// <summary>That a file or folder of a user's own is not here, in a user's words.</summary>
    public string Absence(string path) => $"'{Path.GetFullPath(Located(path))}' does not exist on {Environment.MachineName}";

    /// <summary>What the coordinator said of data that is not on this machine, to follow that.</summary>
    internal string OfCoordinator => NotDelivered is null ? "" : $", and the coordinator has none to send: {NotDelivered.TrimEnd('.')}";

    private string Located(string path) => Path.Combine(DataDirectory ?? "", path);

    // The specification has a relative $XDG_CACHE_HOME ignored.
    private static string CacheHome() =>
        Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { } home && Path.IsPathFullyQualified(home)
            ? home
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
}
