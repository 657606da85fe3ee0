using System.Collections.Concurrent;

namespace Distributed.Worker.Tests.Links;

/// <summary>How long an operation may take before a test fails. It is never a measurement.</summary>
internal static class Patience
{
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static Task Soon(this Task task) => task.WaitAsync(Limit);

    public static Task<T> Soon<T>(this Task<T> task) => task.WaitAsync(Limit);

    public static T TakeSoon<T>(this BlockingCollection<T> queue)
    {
        Assert.True(queue.TryTake(out var item, Limit), $"no {typeof(T).Name} within {Limit.TotalSeconds} s");
        return item;
    }
}
