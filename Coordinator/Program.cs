using Distributed.Coordinator;
using Distributed.Shared.Processes;

return await CommandLine.RunAsync(CoordinatorCommands.Create(), args.Length == 0 ? ["train"] : args);
