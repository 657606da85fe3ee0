using Distributed.EndToEnd.Tests;
using Xunit.Sdk;
using Xunit.v3;

[assembly: TestCollectionOrderer(typeof(LongestFirst))]

namespace Distributed.EndToEnd.Tests;

/// <summary>
/// Starts the classes first whose tests take minutes, mostly waiting for a partition or a restart to end: the others run beside them. At
/// the end of the run they would leave the machine idle.
/// </summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    private static readonly string[] _first =
    [
        nameof(PartitionTests), nameof(StarPartitionTests), nameof(ChaosTests), nameof(CheckpointTests), nameof(AutoBatchTests),
        nameof(ResetTests), nameof(InexactJobTests),
    ];

    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : ITestCollection =>
        [.. testCollections.OrderBy(collection => Place(collection.TestCollectionDisplayName))];

    private static int Place(string name)
    {
        var place = Array.FindIndex(_first, test => name.Contains($".{test} ", StringComparison.Ordinal));
        return place < 0 ? _first.Length : place;
    }
}
