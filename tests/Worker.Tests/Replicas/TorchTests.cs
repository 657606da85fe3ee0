namespace Distributed.Worker.Tests.Replicas;

/// <summary>
/// The collection of tests that run torch. The process has one default generator and one set of torch threads, so these tests run
/// alone, one after another.
/// </summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class TorchTests
{
    public const string Name = "torch";
}
