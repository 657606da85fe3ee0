namespace Distributed.Worker.Data;

/// <summary>Where data files are looked for, in the order of the members, and how they are downloaded.</summary>
public sealed record DataOptions
{
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

    /// <summary>How downloads reach the network; null for plain HTTP. Stays the caller's to dispose.</summary>
    public HttpMessageHandler? HttpHandler { get; init; }

    /// <summary>How long the download of one file may take.</summary>
    public TimeSpan DownloadTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Where a file or folder of a user's own lies: an absolute path as it is, another one from the data directory, or else from
    /// the working directory.</summary>
    /// <exception cref="DataException">There is nothing.</exception>
    public string Locate(string path)
    {
        var located = Path.Combine(DataDirectory ?? "", path);
        return Path.Exists(located)
            ? located
            : throw new DataException($"'{Path.GetFullPath(located)}' does not exist on {Environment.MachineName}. Every worker reads its own copy of the data: "
                + "give a path that is absolute, or that begins at the folder named with --data-dir, or else at the working directory.");
    }

    // The specification has a relative $XDG_CACHE_HOME ignored.
    private static string CacheHome() =>
        Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { } home && Path.IsPathFullyQualified(home)
            ? home
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
}
